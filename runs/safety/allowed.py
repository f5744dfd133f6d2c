"""What a functional model of images needs, written down: all that is not on these lists is refused.

TensorFlow has more than a thousand operations and Keras a few hundred names, each release adds some, and several that
look harmless open files (the operation ImportEvent, the layer StringLookup). A name missing from an allow-list costs
the user a clear message; a name missing from a deny-list costs the machine.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf


def _class_names(module: Any) -> frozenset[str]:
    return frozenset(name for name in dir(module) if isinstance(getattr(module, name), type))


# Written out rather than taken from tf.keras.layers, where Lambda, TFSMLayer and the lookup layers (which open a file
# named in their configuration) stand beside the rest.
_LAYERS = frozenset("""
    Functional Model Sequential InputLayer InputSpec Policy TFOpLambda SlicingOpLambda
    Dense EinsumDense Embedding Activation Flatten Reshape Permute RepeatVector Masking ActivityRegularization
    ELU LeakyReLU PReLU ReLU Softmax ThresholdedReLU
    Conv1D Conv2D Conv3D Conv1DTranspose Conv2DTranspose Conv3DTranspose DepthwiseConv1D DepthwiseConv2D SeparableConv1D
    SeparableConv2D Convolution1D Convolution2D Convolution3D LocallyConnected1D LocallyConnected2D
    AveragePooling1D AveragePooling2D AveragePooling3D MaxPooling1D MaxPooling2D MaxPooling3D
    GlobalAveragePooling1D GlobalAveragePooling2D GlobalAveragePooling3D
    GlobalMaxPooling1D GlobalMaxPooling2D GlobalMaxPooling3D
    Cropping1D Cropping2D Cropping3D UpSampling1D UpSampling2D UpSampling3D ZeroPadding1D ZeroPadding2D ZeroPadding3D
    BatchNormalization BatchNormalizationV1 BatchNormalizationV2 SyncBatchNormalization GroupNormalization
    LayerNormalization Normalization UnitNormalization SpectralNormalization
    AlphaDropout Dropout GaussianDropout GaussianNoise SpatialDropout1D SpatialDropout2D SpatialDropout3D
    Add Average Concatenate Dot Maximum Minimum Multiply Subtract AdditiveAttention Attention MultiHeadAttention
    GRU GRUCell LSTM LSTMCell RNN SimpleRNN SimpleRNNCell StackedRNNCells Bidirectional TimeDistributed
    ConvLSTM1D ConvLSTM2D ConvLSTM3D
    CenterCrop Rescaling Resizing RandomBrightness RandomContrast RandomCrop RandomFlip RandomHeight RandomRotation
    RandomTranslation RandomWidth RandomZoom
    """.split())
_VALUES = frozenset("TensorShape TypeSpec __tuple__ __ellipsis__ __numpy__ __tensor__".split())  # shapes and numbers
CLASSES = frozenset({"l1_l2", "MeanMetricWrapper"}).union(
    _LAYERS,
    _VALUES,
    *map(
        _class_names,
        (tf.keras.initializers, tf.keras.regularizers, tf.keras.constraints, tf.keras.metrics),
    ),
)
ACTIVATIONS = frozenset("""
        elu exponential gelu hard_sigmoid leaky_relu linear mish relu relu6 selu sigmoid silu softmax softplus softsign
    swish     tanh
    """.split())
MODULES = frozenset(
    {
        None,  # older files name the class only
        "keras",
        "keras.constraints",
        "keras.engine.functional",
        "keras.initializers",
        "keras.layers",
        "keras.layers.core.tf_op_layer",
        "keras.metrics",
        "keras.mixed_precision",
        "keras.models",
        "keras.regularizers",
        "keras.src.engine.functional",
        "keras.src.layers.core.tf_op_layer",
    }
)
# TensorFlow functions inside a functional model, by the name under which Keras looks them up: arithmetic and shapes.
SYMBOLS = frozenset("""
    __operators__.add __operators__.getitem cast clip_by_value compat.v1.pad compat.v1.shape compat.v1.squeeze
    compat.v1.transpose concat expand_dims identity linalg.l2_normalize linalg.matmul linalg.norm
    math.abs math.acos math.add math.add_n math.asin math.atan math.atan2 math.ceil math.cos math.divide
    math.divide_no_nan math.exp math.floor math.l2_normalize math.log math.log1p math.maximum math.minimum math.multiply
    math.negative math.pow math.reciprocal math.reduce_max math.reduce_mean math.reduce_min math.reduce_prod
    math.reduce_std math.reduce_sum math.reduce_variance math.rsqrt math.sigmoid math.sign math.sin math.softplus
    math.sqrt math.square math.squared_difference math.subtract math.tan math.tanh math.truediv
    nn.avg_pool2d nn.bias_add nn.elu nn.gelu nn.l2_normalize nn.leaky_relu nn.max_pool2d nn.relu nn.relu6 nn.selu
    nn.sigmoid nn.silu nn.softmax nn.softplus nn.softsign nn.swish nn.tanh
    ones_like pad reshape reverse shape split squeeze stack tile transpose unstack where zeros_like
    """.split())
# What models of these layers consist of when they are traced: arithmetic, shapes, images, random numbers, branches and
# loops over functions that are scanned as well, and variables.
OPERATIONS = frozenset("""
    Abs Acos Acosh Add AddN AddV2 All Any ArgMax ArgMin Asin Asinh Atan Atan2 Atanh BatchMatMul BatchMatMulV2
    BatchMatMulV3 Cast Ceil ClipByValue Cos Cosh Cross Cumprod Cumsum Digamma Div DivNoNan Einsum Equal Erf Erfc Erfinv
    Exp Expm1 Floor FloorDiv FloorMod Greater GreaterEqual Inv InvGrad IsFinite IsInf IsNan L2Loss LeftShift Less
    LessEqual Lgamma LinSpace Log Log1p LogicalAnd LogicalNot LogicalOr MatMul Max Maximum Mean Min Minimum Mod Mul
    MulNoNan Neg NotEqual Pow Prod RealDiv Reciprocal ReciprocalGrad Rint Round Rsqrt RsqrtGrad Sigmoid SigmoidGrad
    Sign Sin Sinh Sqrt SqrtGrad Square SquaredDifference Sub Sum Tan Tanh TanhGrad TopKV2 TruncateDiv TruncateMod Xdivy
    Xlogy
    BatchToSpaceND Bitcast BroadcastArgs BroadcastGradientArgs BroadcastTo Concat ConcatOffset ConcatV2 Const
    DepthToSpace Diag DiagPart EnsureShape ExpandDims Fill Gather GatherNd GatherV2 Identity IdentityN
    InvertPermutation MatrixBandPart MatrixDiag MatrixDiagPart MatrixDiagPartV3 MatrixDiagV3 MatrixSetDiagV3 MirrorPad
    MirrorPadGrad OneHot OnesLike Pack Pad PadV2 ParallelConcat PreventGradient Range Rank Reshape Reverse
    ReverseSequence ReverseV2 ScatterNd Select SelectV2 Shape ShapeN Size Slice SpaceToBatchND SpaceToDepth
    Split SplitV Squeeze StopGradient StridedSlice StridedSliceGrad TensorScatterAdd TensorScatterUpdate Tile Transpose
    Unpack UnravelIndex Where ZerosLike
    AvgPool AvgPool3D AvgPool3DGrad AvgPoolGrad BiasAdd BiasAddGrad BiasAddV1 Conv2D Conv2DBackpropFilter
    Conv2DBackpropInput Conv3D Conv3DBackpropFilterV2 Conv3DBackpropInputV2 CudnnRNN CudnnRNNBackprop CudnnRNNV2
    CudnnRNNV3 DepthwiseConv2dNative DepthwiseConv2dNativeBackpropFilter DepthwiseConv2dNativeBackpropInput Elu EluGrad
    FusedBatchNorm FusedBatchNormGrad FusedBatchNormGradV2 FusedBatchNormGradV3 FusedBatchNormV2 FusedBatchNormV3
    InTopKV2 LeakyRelu LeakyReluGrad LogSoftmax LRN MaxPool MaxPool3D MaxPool3DGrad MaxPoolGrad MaxPoolGradV2 MaxPoolV2
    MaxPoolWithArgmax Relu Relu6 Relu6Grad ReluGrad ResourceGather Selu SeluGrad Softmax SoftmaxCrossEntropyWithLogits
    Softplus SoftplusGrad Softsign SoftsignGrad SparseSoftmaxCrossEntropyWithLogits
    AdjustContrastv2 AdjustHue AdjustSaturation CropAndResize HSVToRGB ImageProjectiveTransformV2
    ImageProjectiveTransformV3 ResizeArea ResizeBicubic ResizeBilinear ResizeBilinearGrad ResizeNearestNeighbor
    ResizeNearestNeighborGrad RGBToHSV
    Multinomial RandomStandardNormal RandomUniform RandomUniformInt RngReadAndSkip StatefulStandardNormalV2
    StatefulUniform StatefulUniformInt StatelessRandomGetAlg StatelessRandomGetKeyCounter StatelessRandomNormalV2
    StatelessRandomUniformFullIntV2 StatelessRandomUniformIntV2 StatelessRandomUniformV2 StatelessTruncatedNormalV2
    TruncatedNormal
    Assert Case If IteratorGetNext NoOp PartitionedCall Placeholder PlaceholderWithDefault StatefulPartitionedCall
    StatelessCase StatelessIf StatelessWhile While
    EmptyTensorList TensorListConcatV2 TensorListElementShape TensorListFromTensor TensorListGather TensorListGetItem
    TensorListLength TensorListPopBack TensorListPushBack TensorListReserve TensorListResize TensorListSetItem
    TensorListSplit TensorListStack
    AssignAddVariableOp AssignSubVariableOp AssignVariableOp ReadVariableOp VarHandleOp VariableShape
    VarIsInitializedOp
    """.split())
SAVER_OPERATIONS = frozenset("""
    DisableCopyOnRead MergeV2Checkpoints RestoreV2 SaveV2 ShardedFilename StaticRegexFullMatch StringJoin
    """.split())
